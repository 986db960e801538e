import pc from 'picocolors';
import { VERSION } from '../base/index.ts';
import { byteLengthOf, sizeOf } from '../graph/index.ts';
import { datatypeOf } from '../protocol/index.ts';
import { textTable } from '../report/index.ts';
import type { Port } from '../run/index.ts';
import type { RunningServer, Served, ServerConfig } from '../serve/index.ts';

/** Numbers that are shown as they are; more are sent as zeros in binary. */
const MOST_SHOWN = 32;

/** What `modicum serve` says when it answers. */
export function serveWelcome(server: RunningServer, config: ServerConfig): string {
  const { address, grpcAddress, models, observation } = server;
  const served = models.names().map((name) => {
    const { served, release } = models.lease(name);
    release();
    return served;
  });
  const { energy, money } = observation.series({ seconds: 1 }).server;
  const more = [
    grpcAddress === undefined ? [] : [['gRPC', grpcAddress]],
    config.dashboard ? [['dashboard', `${address}/dashboard/`]] : [],
    [
      ['metrics', `${address}/metrics`],
      ['OpenAPI', `${address}/openapi.json`],
      ['keys', config.keys === undefined ? 'none: whoever reaches it may ask' : config.keys],
      ['energy', `${energy.method}: ${energy.origin.split(', ')[0]}`],
      [
        'price',
        money === undefined
          ? 'none (--price)'
          : `${money.perHour} USD an hour, ${money.origin.split(' (')[0]}`,
      ],
    ],
  ].flat() as [string, string][];
  const first = served[0];
  return [
    `${pc.bold(`Modicum ${VERSION}`)} serves at ${pc.cyan(address)}`,
    textTable(['model', 'version', 'inputs', 'goal', 'instances'], served.map(rowOf)),
    more.map(([name, value]) => `  ${name.padEnd(10)} ${value}`).join('\n'),
    first === undefined ? '' : `Try it:\n${tryLine(address, first, config)}`,
    pc.dim('Ctrl-C ends it when what is under way is answered.'),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function rowOf(served: Served): string[] {
  const { name, version, inputs } = served;
  const { goalMs, instances } = served.state();
  return [name, version, inputs.map(inWords).join(', '), `${goalMs} ms`, String(instances)];
}

const inWords = ({ name, dtype, shape }: Port) =>
  `${name} ${dtype}[${shape === undefined ? '?' : shape.map((dim) => dim ?? '?').join(', ')}]`;

/** A line for a shell that asks the model with zeros. */
function tryLine(address: string, { name, inputs }: Served, config: ServerConfig): string {
  const url = `${address}/v2/models/${name}/infer`;
  const flags = [
    ...(address.startsWith('https:') ? ['--insecure'] : []),
    ...(config.keys === undefined ? [] : [`-H "authorization: Bearer $KEY"`]),
  ].map((flag) => ` ${flag}`);
  const shaped = inputs.map((port) => ({
    ...port,
    sizes: (port.shape ?? [1]).map((dim) => (typeof dim === 'number' ? dim : 1)),
  }));
  const head = ({ name: input, dtype, sizes }: (typeof shaped)[number]) => ({
    name: input,
    shape: sizes,
    datatype: datatypeOf(dtype),
  });
  const small = shaped.every(({ sizes, dtype }) => sizeOf(sizes) <= MOST_SHOWN && dtype !== 'float16');
  if (small || shaped.some(({ dtype }) => dtype === 'string')) {
    const body = {
      inputs: shaped.map((one) => ({
        ...head(one),
        data: new Array(sizeOf(one.sizes)).fill(
          one.dtype === 'string' ? 'a' : one.dtype === 'bool' ? false : 0,
        ),
      })),
    };
    return `  curl -s ${url}${flags.join('')} -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
  }
  const sized = shaped.map((one) => ({ ...one, bytes: byteLengthOf(one.dtype, sizeOf(one.sizes)) }));
  const json = JSON.stringify({
    inputs: sized.map((one) => ({ ...head(one), parameters: { binary_data_size: one.bytes } })),
  });
  const total = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  const length = Buffer.byteLength(json);
  return `  (printf '%s' '${json}'; head -c ${total} /dev/zero) |\n    curl -s ${url}${flags.join('')} -H 'inference-header-content-length: ${length}' -H 'content-type: application/octet-stream' --data-binary @-`;
}
