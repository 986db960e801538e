/**
 * What stands in `origin` (by names of nodes and of the values that they make) for a node that the runtime executes: its name without what
 * the runtime added, "fused MatMul_1/MatMulAddFusion", "Relu_3_out_nchwc", "Conv_2_token_1".
 */
export function originOf<T>(executed: string, origin: ReadonlyMap<string, T>): T | undefined {
  let name = executed.replace(/^fused /, '').replace(/(_nchwc|_nhwc|_token_\d+)+$/, '');
  for (;;) {
    const found = origin.get(name);
    if (found !== undefined) return found;
    const cut = name.lastIndexOf('/');
    if (cut < 0) return undefined;
    name = name.slice(0, cut);
  }
}
