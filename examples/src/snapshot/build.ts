import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build as bundle } from 'esbuild'

/** Puts the program and all that it imports into one script: while a snapshot is built there are no other modules. */
export async function bundleApp(folder: string): Promise<string> {
  const script = join(folder, 'app.cjs')
  await bundle({
    entryPoints: [fileURLToPath(new URL('./app.js', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'iife',
    // Add-ons cannot be in a snapshot; koffi is loaded after the start, where it is installed.
    external: ['koffi', 'pg-native'],
    // A bundle has no place of its own, and core knows that.
    logOverride: { 'empty-import-meta': 'silent' },
  })
  return script
}

/** `node --snapshot-blob app.blob --build-snapshot app.cjs` */
export async function buildSnapshot(script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const blob = script.replace(/\.cjs$/, '.blob')
  const args = ['--snapshot-blob', blob, '--build-snapshot', script]
  await promisify(execFile)(process.execPath, args, { env })
  return blob
}
