import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { fail, messageOf } from '../../base/index.ts';

const RAW_INPUT_CONTENTS = 7;

/** Bytes of a ModelInferRequest that are no raw contents. Throws REQUEST_INVALID. */
export function bytesBesideRaw(message: Uint8Array): number {
  let beside = message.byteLength;
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === RAW_INPUT_CONTENTS && type === WireType.LengthDelimited) {
        const length = reader.uint32();
        if (length > reader.len - reader.pos) throw new RangeError('raw contents go on behind the end');
        reader.pos += length;
        beside -= length;
      } else reader.skip(type, field);
    }
  } catch (cause) {
    throw fail('REQUEST_INVALID', `the bytes are no ModelInferRequest: ${messageOf(cause).slice(0, 200)}`);
  }
  return beside;
}
