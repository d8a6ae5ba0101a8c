// @ts-check
import { build } from 'esbuild'
import { gzipSync } from 'node:zlib'

/**
 * What a bundle with the module in it grows by, in bytes: minified and gzipped, without what it depends on.
 * @param {string} path of the built module
 */
export async function bundledSize(path) {
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
  })
  const [bundle] = outputFiles
  return gzipSync(bundle?.contents ?? '', { level: 9 }).length
}
