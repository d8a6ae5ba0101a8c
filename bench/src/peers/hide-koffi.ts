import Module from 'node:module'

interface Resolver {
  _resolveFilename: (this: unknown, request: string, ...rest: unknown[]) => string
}

/** From here on nobody in this process finds koffi, as where it is not installed; core stays as it is published. */
export function hideKoffi(): void {
  const resolver = Module as unknown as Resolver
  const resolve = resolver._resolveFilename
  resolver._resolveFilename = function (request, ...rest) {
    if (request === 'koffi') throw new Error('Hidden by the benchmark.')
    return resolve.call(this, request, ...rest)
  }
}
