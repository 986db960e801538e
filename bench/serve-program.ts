import { randomFeeds } from '../src/measure/index.ts';
import { openHere } from '../src/run/index.ts';
import { roomyHeap, serve } from '../src/serve/index.ts';

/**
 * A side of a bench of serving, in a process of its own: `modicum NAME PATH OPTIONS` is a server, as `modicum serve` starts it; `engine PATH` runs
 * the model in a loop, as fast as it goes, when its parent says so.
 */
const [kind, ...args] = process.argv.slice(2);

async function modicum(name: string, path: string, options: string): Promise<void> {
  roomyHeap();
  const server = await serve(
    {
      ...{ models: [`${name}=${path}`], port: 0, grpcPort: 'off', dashboard: false, watch: false },
      ...{ threads: 1, instances: 1, logLevel: 'error', grace: 0, ...JSON.parse(options) },
    },
    { config: false, env: {} },
  );
  process.on('disconnect', () => void server.close({ graceMs: 0 }).then(() => process.exit(0)));
  process.send!({ address: server.address });
}

async function engine(path: string): Promise<void> {
  const session = await openHere(path, { threads: 1 });
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ batch, seconds }: { batch: number; seconds: number }) => {
    const feeds = randomFeeds(session.inputs, { batch, seed: 1 });
    for (let i = 0; i < 2; i++) await session.run(feeds);
    const before = process.cpuUsage();
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < seconds * 1000) {
      await session.run(feeds);
      calls++;
    }
    const { user, system } = process.cpuUsage(before);
    const samples = calls * batch;
    process.send!({
      rate: samples / ((performance.now() - start) / 1000),
      cpu: (user + system) / 1e6 / samples,
      callMs: (performance.now() - start) / calls,
    });
  });
  process.send!({});
}

if (kind === 'modicum') await modicum(args[0]!, args[1]!, args[2]!);
else await engine(args[0]!);
