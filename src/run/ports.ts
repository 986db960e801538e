import { fail } from '../base/index.ts';
import type { Model, ValueInfo } from '../graph/index.ts';
import type { OpenReply, PortInfo } from './messages.ts';
import type { Port } from './session.ts';

/**
 * The inputs and outputs of an open session. Shapes come from the model where it is at hand, because the binding cannot tell
 * a scalar from an unknown rank. Outputs that are no tensors are left out: they cannot travel.
 */
export function portsOf(reply: OpenReply, model: Model | undefined): { inputs: Port[]; outputs: Port[] } {
  const odd = reply.inputs.find((port) => port.tensor === undefined);
  if (odd !== undefined) {
    throw fail('RUNTIME_REFUSED', `input ${odd.name} is no tensor but a sequence, map or optional`);
  }
  const inputs = reply.inputs.flatMap((info) => portOf(info, model?.graph.inputs));
  const outputs = reply.outputs.flatMap((info) => portOf(info, model?.graph.outputs));
  if (outputs.length === 0) throw fail('RUNTIME_REFUSED', 'none of its outputs is a tensor');
  return { inputs, outputs };
}

function portOf(info: PortInfo, declared: readonly ValueInfo[] | undefined): Port[] {
  if (info.tensor === undefined) return [];
  const { dtype, shape } = info.tensor;
  const type = declared?.find((value) => value.name === info.name)?.type;
  if (type?.kind === 'tensor') return [{ name: info.name, dtype, shape: type.shape }];
  return [{ name: info.name, dtype, shape: shape.length === 0 ? undefined : shape }];
}
