import { generate } from 'selfsigned'

/** In PEM. */
export interface Certificate {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const key = { keyType: 'ec', algorithm: 'sha256' } as const

/** Makes a certificate for 127.0.0.1 and localhost, and the authority that vouches for it. */
export async function localCertificate(): Promise<Certificate> {
  // A clock that is a little behind must not find them "not yet valid".
  const notBeforeDate = new Date(Date.now() - 3_600_000)
  const authority = await generate([{ name: 'commonName', value: 'forksafe test authority' }], {
    ...key,
    notBeforeDate,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...key,
    notBeforeDate,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { ca: authority.cert, cert: server.cert, key: server.private }
}
