import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fastify from 'fastify';
import { fail } from '../../src/base/index.ts';
import { dashboardRoutes } from '../../src/serve/index.ts';
import { temporary } from '../e2e/cli.ts';
import { builtDashboard } from './built-dashboard.ts';

before(async () => {
  await builtDashboard();
});

async function app(reports: ReadonlyMap<string, string> = new Map(), folder?: string, key?: string) {
  const server = fastify();
  server.addHook('onRequest', async ({ routeOptions, headers }) => {
    if (key === undefined || routeOptions.config.open || headers.authorization === `Bearer ${key}`) return;
    throw fail('KEY_REFUSED', 'no key');
  });
  await server.register(dashboardRoutes, { reports, folder });
  return server;
}

/** Files that the page names. */
function named(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((match) => match[1]!);
}

test('the page and its files are served, small, and for ever where their name has a hash', async () => {
  const server = await app();
  const page = await server.inject('/dashboard/');
  assert.equal(page.statusCode, 200);
  assert.equal(page.headers['cache-control'], 'no-cache');
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  const files = named(page.body);
  assert.ok(files.some((file) => file.endsWith('.js')) && files.some((file) => file.endsWith('.css')));
  let small = Buffer.byteLength(page.body);
  for (const file of files) {
    const plain = await server.inject(`/dashboard/${file}`);
    assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable', file);
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.equal(plain.headers['x-content-type-options'], 'nosniff');
    const zipped = await server.inject({
      url: `/dashboard/${file}`,
      headers: { 'accept-encoding': 'br, gzip;q=0.5' },
    });
    small += zipped.rawPayload.length;
    if (plain.rawPayload.length < 1024) continue;
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.deepEqual(gunzipSync(zipped.rawPayload), plain.rawPayload);
  }
  assert.ok(small < 100_000, `${small} bytes are more than a dashboard should have`);
  await server.close();
});

test('what a browser has already is not sent again', async () => {
  const server = await app();
  const { etag } = (await server.inject('/dashboard/')).headers;
  const ask = (header: string) =>
    server.inject({ url: '/dashboard/', headers: { 'if-none-match': header } }).then((one) => one.statusCode);
  assert.equal(await ask(String(etag)), 304);
  assert.equal(await ask(`"other", W/${etag}`), 304);
  assert.equal(await ask('"other"'), 200);
  await server.close();
});

test('only files that were there at the start are served', async (t) => {
  const folder = await temporary(t);
  await writeFile(join(folder, 'index.html'), '<!doctype html>');
  const server = await app(new Map(), folder);
  await writeFile(join(folder, 'later.js'), 'later');
  const paths = [
    'later.js',
    '../package.json',
    '%2e%2e/package.json',
    '..%2f..%2fpackage.json',
    'assets/',
    '%00',
  ];
  for (const path of paths) {
    const { statusCode } = await server.inject(`/dashboard/${path}`);
    assert.ok(statusCode === 404 || statusCode === 400, `${path}: ${statusCode}`);
  }
  const moved = await server.inject('/dashboard');
  assert.equal(moved.statusCode, 302);
  assert.equal(moved.headers.location, 'dashboard/');
  await server.close();
  const empty = await app(new Map(), join(folder, 'nowhere'));
  assert.match((await empty.inject('/dashboard/')).body, /not built/);
  await empty.close();
});

test('a report may run nothing, and only those that are listed are shown', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'report.html');
  await writeFile(path, '<h1>a report</h1>');
  const reports = new Map([['a model/ü', path]]);
  const server = await app(reports);
  const list = (await server.inject('/dashboard/reports')).json<{ reports: Record<string, string> }>();
  assert.deepEqual(Object.keys(list.reports), ['a model/ü']);
  const shown = await server.inject(`/dashboard/${list.reports['a model/ü']}`);
  assert.equal(shown.body, '<h1>a report</h1>');
  const policy = String(shown.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /; sandbox$/);
  for (const other of [
    'other',
    '__proto__',
    encodeURIComponent('../report.html'),
    encodeURIComponent(path),
  ]) {
    assert.equal((await server.inject(`/dashboard/report/${other}`)).statusCode, 403, other);
  }
  reports.set('later', path);
  const links = (await server.inject('/dashboard/reports')).json<{ reports: Record<string, string> }>()
    .reports;
  const later = `/dashboard/${links.later}`;
  assert.equal((await server.inject(later)).statusCode, 200);
  await rm(path);
  assert.match((await server.inject(later)).body, /gone/);
  reports.delete('later');
  assert.equal((await server.inject(later)).statusCode, 404);
  await server.close();
});

test('where there are keys, only who has one gets links, and a link is for one report', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'report.html');
  await writeFile(path, 'figures');
  const server = await app(
    new Map([
      ['one', path],
      ['two', path],
    ]),
    undefined,
    'right',
  );
  const withKey = { authorization: 'Bearer right' };
  assert.notEqual((await server.inject('/dashboard/reports')).statusCode, 200);
  assert.equal((await server.inject('/dashboard/')).statusCode, 200);
  const answer = await server.inject({ url: '/dashboard/reports', headers: withKey });
  const { one = '' } = answer.json<{ reports: Record<string, string> }>().reports;
  const status = async (url: string, headers = {}) => (await server.inject({ url, headers })).statusCode;
  assert.equal(await status(`/dashboard/${one}`), 200);
  const [, pass = ''] = one.split('?pass=');
  const until = Number(pass.split('.')[0]);
  assert.ok(until > Date.now() && until < Date.now() + 11 * 60_000);
  const bad = [
    '/dashboard/report/one',
    `/dashboard/report/two?pass=${pass}`,
    `/dashboard/report/one?pass=${pass.replace(/^\d/, '9')}`,
    `/dashboard/report/one?pass=${pass}&pass=${pass}`,
    '/dashboard/report/one?pass=',
    `/dashboard/report/one?pass=${'9'.repeat(50)}.`,
  ];
  for (const url of bad) assert.notEqual(await status(url), 200, url);
  await server.close();
});
