import Module from 'node:module'

interface Resolver {
  _resolveFilename: (this: unknown, request: string, ...rest: unknown[]) => string
}

/** Makes koffi impossible to load in this process, as if it were not installed. Core itself is unchanged. */
export function hideKoffi(): void {
  const resolver = Module as unknown as Resolver
  const resolve = resolver._resolveFilename
  resolver._resolveFilename = function (request, ...rest) {
    if (request === 'koffi') throw new Error('Hidden by the benchmark.')
    return resolve.call(this, request, ...rest)
  }
}
