/**
 * The key of a request: `authorization: Bearer KEY`, or `x-api-key: KEY`. Where both stand, the first counts; undefined where there is
 * none, or it is not said in this way.
 */
export function credentialOf(
  authorization: string | undefined,
  apiKey: string | undefined,
): string | undefined {
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  return apiKey;
}
