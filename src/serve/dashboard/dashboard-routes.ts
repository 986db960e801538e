import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Passes } from './passes.ts';
import { PAGE_HEADERS, REPORT_HEADERS } from './policies.ts';
import { readSite, type SiteFile } from './site.ts';

export interface DashboardOptions {
  /** report.html of the bundle by the name of the model. May change while the server runs: it is looked at for each request. */
  readonly reports: ReadonlyMap<string, string>;
  /** Folder of the built dashboard. Default: that of the package. */
  readonly folder?: string;
}

const NO_PASS = 'This link is too old, or is none. Open the report from the dashboard.\n';
const NOT_BUILT = 'The dashboard was not built: npm run build.\n';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without a key, and while the server is closing. */
    readonly open?: boolean;
  }
}

/** The page is nobody's secret, and asks for the key itself. */
const OPEN = { config: { open: true } } as const;

/**
 * GET /dashboard/ with its files, /dashboard/reports (links by model) and /dashboard/report/NAME. The list of reports is for those whom
 * the hooks of the app let in; a report itself is for those who got a link from there.
 */
export async function dashboardRoutes(app: FastifyInstance, options: DashboardOptions): Promise<void> {
  const site = await readSite(options.folder);
  app.get('/dashboard', OPEN, (_request, reply) => reply.redirect('dashboard/'));
  if (site === undefined) {
    app.get('/dashboard/', OPEN, (_request, reply) => reply.code(404).type('text/plain').send(NOT_BUILT));
  }
  for (const file of site ?? []) {
    const path = file.path === 'index.html' ? '' : file.path;
    app.get(`/dashboard/${path}`, OPEN, (request, reply) => sendFile(request, reply, file));
  }
  reportRoutes(app, options);
}

function reportRoutes(app: FastifyInstance, { reports }: DashboardOptions): void {
  const passes = new Passes();

  app.get('/dashboard/reports', async (_request, reply) => {
    const links = [...reports.keys()].map((name) => {
      return [name, `report/${encodeURIComponent(name)}?pass=${passes.issue(name, Date.now())}`] as const;
    });
    return reply.header('cache-control', 'no-store').send({ reports: Object.fromEntries(links) });
  });

  app.get<{ Params: { name: string }; Querystring: { pass?: unknown } }>(
    '/dashboard/report/:name',
    OPEN,
    async (request, reply) => {
      const { name } = request.params;
      if (!passes.holds(request.query.pass, name, Date.now())) {
        return reply.code(403).type('text/plain').send(NO_PASS);
      }
      const path = reports.get(name);
      const page = path === undefined ? undefined : await readFile(path).catch(() => undefined);
      if (page === undefined) {
        return reply
          .code(404)
          .type('text/plain')
          .send(`${path === undefined ? 'No such report.' : 'The report is gone.'}\n`);
      }
      return reply.headers(REPORT_HEADERS).type('text/html; charset=utf-8').send(page);
    },
  );
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: SiteFile): FastifyReply {
  const { type, bytes, gzipped, etag, immutable } = file;
  reply.headers({
    ...PAGE_HEADERS,
    etag,
    vary: 'accept-encoding',
    'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send();
  reply.type(type);
  if (gzipped === undefined || !takesGzip(request.headers['accept-encoding'])) return reply.send(bytes);
  return reply.header('content-encoding', 'gzip').send(gzipped);
}

function matches(given: string | undefined, etag: string): boolean {
  return given?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag) ?? false;
}

function takesGzip(accepted = ''): boolean {
  return accepted.split(',').some((one) => {
    const [coding = '', ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    return (coding === 'gzip' || coding === '*') && !refused;
  });
}
