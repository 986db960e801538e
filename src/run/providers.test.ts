import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeProviders } from './providers.ts';
import { PROVIDERS } from './settings.ts';

test('the cpu provider starts, every other one starts or says why not', async () => {
  const reports = await probeProviders({ timeoutMilliseconds: 60_000 });
  assert.deepEqual(
    reports.map((report) => report.provider),
    [...PROVIDERS],
  );
  assert.equal(reports[0]?.available, true, reports[0]?.reason);
  for (const { provider, available, reason, milliseconds } of reports) {
    assert.ok(milliseconds > 0);
    assert.equal(available, reason === undefined, provider);
    if (reason !== undefined) assert.match(reason, /^[^\n]{5,240}$/, provider);
  }
  const absent = process.platform === 'win32' ? 'coreml' : 'dml';
  assert.match(
    reports.find((report) => report.provider === absent)?.reason ?? '',
    /this build of ONNX Runtime/,
  );
});

test('a provider that does not answer in time is given up', async () => {
  const [report] = await probeProviders({ providers: ['cpu'], timeoutMilliseconds: 1 });
  assert.equal(report?.available, false);
  assert.equal(report?.reason, 'no answer within 0.001 s');
});
