import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { loadServerFile, METRICS, resolveConfig, type ServeOptions, serve } from '../../src/serve/index.ts';
import { modicum, temporary } from '../e2e/cli.ts';
import { modelFolder } from '../serve/model-folder.ts';
import { ROOT } from '../shared-data.ts';

const FOLDER = join(ROOT, 'deploy');
const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const read = (path: string) => readFileSync(join(FOLDER, path), 'utf8');
const all = files.map((path) => ({ path: relative(FOLDER, path), text: readFileSync(path, 'utf8') }));
const code = (text: string) => text.replaceAll(/^\s*#.*$/gm, '');

/** Variables with their values, however the file writes them. */
const VARIABLE = /(?:name: )?(MODICUM_SERVE_\w+)(?:=|: |\n\s+value: )"?([^"\s]+)"?/g;

test('every variable and option is one of the server, and has a value that it takes', async (t) => {
  const { stdout: help } = await modicum(['serve', '--help'], await temporary(t));
  const options = new Set([...help.matchAll(/--[a-z][\w-]+/g)].map(String));
  let [variables, flags] = [0, 0];
  for (const { path, text } of all) {
    const env = Object.fromEntries(
      [...code(text).matchAll(VARIABLE)].map(([, name, value]) => [name, value]),
    );
    // Throws for one that is unknown.
    const { origins } = resolveConfig({ env });
    assert.equal(Object.values(origins).filter((from) => from in env).length, Object.keys(env).length, path);
    variables += Object.keys(env).length;
    const named = [...text.matchAll(/MODICUM_SERVE_\w+/g)].map(String);
    assert.ok(
      named.every((name) => name in env),
      `${path}: ${named}`,
    );
    const ofOthers = /docker (build|run)|^FROM|^RUN|^COPY|^HEALTHCHECK|kubectl|npm install/;
    for (const line of text.split('\n').filter((one) => !ofOthers.test(one))) {
      for (const [flag] of line.matchAll(/(?<![\w-])--[a-z][\w-]+/g)) {
        assert.ok(options.has(flag), `${path}: ${flag}`);
        flags++;
      }
    }
  }
  assert.ok(variables >= 9 && flags >= 5, `${variables} variables, ${flags} options`);
  const file = await loadServerFile(join(FOLDER, 'systemd/serve.json'));
  assert.equal(resolveConfig({ file }).config.keys, join(FOLDER, 'systemd/keys.json'));
});

test('probes ask for paths that answer without a key, and metrics are those that there are', async () => {
  const folder = await modelFolder();
  await folder.put('m', '1', 1);
  const options: ServeOptions = { models: [folder.path], port: 0, grpcPort: 'off', isolation: 'thread' };
  const server = await serve({ ...options, grace: 0, logLevel: 'silent' }, { config: false, env: {} });
  try {
    const paths = all.flatMap(({ text }) => [
      ...[...text.matchAll(/httpGet:\n\s+path: (\S+)/g)].map(([, path]) => path!),
      ...[...text.matchAll(/127\.0\.0\.1:8080(\/\w+)/g)].map(([, path]) => path!),
      ...[...text.matchAll(/prometheus\.io\/path: (\S+)/g)].map(([, path]) => path!),
    ]);
    assert.equal(paths.length, 5);
    for (const path of paths) assert.equal((await fetch(server.address + path)).status, 200, path);
  } finally {
    await server.close();
    await folder.remove();
  }
  const rules = read('kubernetes/prometheus-adapter.yaml');
  const made = [...rules.matchAll(/as: (modicum_\w+)/g)].map(([, name]) => name!);
  const known = new Set([...Object.keys(METRICS), ...made]);
  for (const text of [rules, read('kubernetes/autoscaler.yaml')]) {
    for (const [name] of text.matchAll(/modicum_\w+/g)) {
      assert.ok(known.has(name.replace(/_(bucket|sum|count)$/, '')), name);
    }
  }
});

test('whoever ends the server waits longer than it takes to leave', () => {
  const seconds = (path: string, form: RegExp) => Number(form.exec(read(path))?.[1]);
  const { grace, drain } = resolveConfig({}).config;
  const ours = (grace + drain) / 1000;
  assert.ok(seconds('systemd/modicum.service', /TimeoutStopSec=(\d+)/) > ours);
  for (const [path, form] of [
    ['docker-compose.yml', /stop_grace_period: (\d+)s/],
    ['kubernetes/deployment.yaml', /terminationGracePeriodSeconds: (\d+)/],
  ] as const) {
    const env = Object.fromEntries(
      [...code(read(path)).matchAll(VARIABLE)].map(([, name, value]) => [name, value]),
    );
    const { config } = resolveConfig({ env });
    assert.ok(seconds(path, form) > (config.grace + config.drain) / 1000, path);
  }
});

test('the image is made of files that are there, by a Node that is enough, for no root', () => {
  const text = read('Dockerfile').replaceAll('\\\n', ' ');
  const { engines, scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const [, version] of text.matchAll(/^FROM node:(\d+)/gm)) {
    assert.ok(Number(version) >= Number(/\d+/.exec(engines.node)?.[0]), version);
  }
  let copied = 0;
  for (const [, rest] of text.matchAll(/^COPY (?!--from)(.+)$/gm)) {
    for (const path of rest!.split(' ').slice(0, -1)) {
      assert.ok(existsSync(join(ROOT, path)), path);
      copied++;
    }
  }
  assert.ok(copied >= 10);
  for (const [, script] of text.matchAll(/npm run (\S+)/g)) assert.ok(script! in scripts, script);
  const last = text.slice(text.lastIndexOf('\nFROM'));
  assert.match(last, /^USER node$/m);
  assert.match(last, /^HEALTHCHECK /m);
  const built = /"node", "(dist\/\S+?)\.js", "serve"/.exec(last)?.[1];
  assert.ok(existsSync(join(ROOT, `${built?.replace('dist', 'src')}.ts`)), built);
});

test('manifests are indented by two, have no tabs, and point to each other', () => {
  const yaml = all.filter(({ path }) => /\.ya?ml$/.test(path));
  assert.ok(yaml.length >= 7);
  for (const { path, text } of yaml) {
    for (const [i, line] of text.split('\n').entries()) {
      const odd = /\t|\s$/.test(line) || /^ */.exec(line)![0].length % 2 === 1;
      assert.ok(!odd, `${path}:${i + 1}`);
    }
  }
  const listed = [...read('kubernetes/kustomization.yaml').matchAll(/^ {2}- (\S+)$/gm)].map(
    ([, path]) => path!,
  );
  assert.equal(listed.length, 4);
  for (const path of listed) assert.ok(files.includes(join(FOLDER, 'kubernetes', path)), path);
  const pod = read('kubernetes/deployment.yaml');
  for (const field of ['requests:', 'limits:', 'readOnlyRootFilesystem: true', 'runAsNonRoot: true']) {
    assert.ok(pod.includes(field), field);
  }
  // Every volume that is mounted is one.
  const [mounts = '', volumes = ''] = pod.split('\n      volumes:\n');
  for (const [, name] of mounts.matchAll(/- name: (\S+)\n\s+mountPath/g)) {
    assert.ok(volumes.includes(`- name: ${name}\n`), name);
  }
  assert.match(read('kubernetes/autoscaler.yaml'), /kind: Deployment\n {4}name: modicum\n/);
});
