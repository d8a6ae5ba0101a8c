import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build as bundle } from 'esbuild'

/** Bundles the program and its imports into one script, because no other modules can be loaded while a snapshot is built. */
export async function bundleApp(folder: string): Promise<string> {
  const script = join(folder, 'app.cjs')
  await bundle({
    entryPoints: [fileURLToPath(new URL('./app.js', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'iife',
    // A snapshot cannot contain add-ons. If koffi is installed, it is loaded after the start.
    external: ['koffi', 'pg-native'],
    // A bundle has no location, which core handles.
    logOverride: { 'empty-import-meta': 'silent' },
  })
  return script
}

/** Runs `node --snapshot-blob app.blob --build-snapshot app.cjs`. */
export async function buildSnapshot(script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const blob = script.replace(/\.cjs$/, '.blob')
  const args = ['--snapshot-blob', blob, '--build-snapshot', script]
  await promisify(execFile)(process.execPath, args, { env })
  return blob
}
