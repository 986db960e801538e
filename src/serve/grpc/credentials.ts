import type * as Grpc from '@grpc/grpc-js';
import type { Certificate, Certificates } from '../security/certificates.ts';

type Provider = Parameters<typeof Grpc.experimental.createCertificateProviderServerCredentials>[0];

/** Credentials that follow the certificates; without any, the connection is plain. */
export function credentialsOf(grpc: typeof Grpc, tls: Certificates | undefined): Grpc.ServerCredentials {
  if (tls === undefined) return grpc.ServerCredentials.createInsecure();
  const provider = providerOf(tls);
  return grpc.experimental.createCertificateProviderServerCredentials(
    provider,
    tls.mutual ? provider : null,
    tls.mutual,
  );
}

/** Certificates in the form that @grpc/grpc-js listens to. */
function providerOf(tls: Certificates): Provider {
  const stops = new Map<unknown, () => void>();
  const follow = (listener: unknown, tell: (certificate: Certificate) => void) => {
    stops.set(listener, tls.onChange(tell));
    // Not at once: whoever listens is not yet ready to hear.
    queueMicrotask(() => stops.has(listener) && tell(tls.current));
  };
  const unfollow = (listener: unknown) => {
    stops.get(listener)?.();
    stops.delete(listener);
  };
  return {
    addIdentityCertificateListener: (listener) =>
      follow(listener, ({ cert, key }) => listener({ certificate: cert, privateKey: key })),
    addCaCertificateListener: (listener) =>
      follow(listener, ({ ca }) => listener(ca === undefined ? null : { caCertificate: ca })),
    removeIdentityCertificateListener: unfollow,
    removeCaCertificateListener: unfollow,
  };
}
