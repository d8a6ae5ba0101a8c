const REFUSED =
  /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_CERT_|DEPTH_ZERO_SELF_SIGNED_|UNABLE_TO_(GET_ISSUER|VERIFY)_)/

/** Whether Node reports by this error that it does not trust a certificate: the server's, or one that vouches for it. */
export function isCertificateError(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' && REFUSED.test(code)
}
