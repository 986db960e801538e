import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sharedData } from '../shared-data.ts';

const ARCHIVE = 'onnx-conformance/onnx-v1.22.0-backend-test-data.tar.gz';
const INSIDE = 'onnx/backend/test/data';
const GROUPS = ['node', 'simple', 'pytorch-converted', 'pytorch-operator'] as const;

export interface Case {
  /** Group and name: "node/test_abs". */
  readonly name: string;
  /** Folder with model.onnx and test_data_set_0. */
  readonly folder: string;
}

/** Unpacks ONNX's official backend cases for the time of `use`; undefined where this machine lacks them. */
export async function withCases<T>(use: (cases: Case[]) => Promise<T>): Promise<T | undefined> {
  const archive = sharedData(ARCHIVE);
  if (archive === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'modicum-conformance-'));
  try {
    execFileSync('tar', ['xzf', archive, '-C', folder]);
    const cases = GROUPS.flatMap((group) =>
      readdirSync(join(folder, INSIDE, group))
        .sort()
        .map((name) => ({ name: `${group}/${name}`, folder: join(folder, INSIDE, group, name) })),
    );
    return await use(cases);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
