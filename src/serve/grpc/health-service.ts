import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { fail, messageOf } from '../../base/index.ts';

/** grpc.health.v1.Health: two messages of one field each. */
export const HEALTH_SERVICE = 'grpc.health.v1.Health';

const [SERVING, NOT_SERVING] = [1, 2];

/** The service that a HealthCheckRequest asks about; "" is the server as a whole. Throws REQUEST_INVALID. */
export function readHealthRequest(message: Uint8Array): string {
  let service = '';
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === WireType.LengthDelimited) service = reader.string();
      else reader.skip(type, field);
    }
  } catch (cause) {
    throw fail('REQUEST_INVALID', `the bytes are no HealthCheckRequest: ${messageOf(cause).slice(0, 200)}`);
  }
  return service;
}

/** A HealthCheckResponse. */
export function writeHealthResponse(serving: boolean): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(serving ? SERVING : NOT_SERVING)
    .finish();
}
