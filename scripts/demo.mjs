// @ts-check
import { spawn } from 'node:child_process'
import { root } from './tools.mjs'
import { setup } from './setup.mjs'

try {
  await setup()
  demo()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

function demo() {
  const main = `${root}/examples/dist/demo/main.js`
  const args = [main, ...process.argv.slice(2)]
  const child = spawn(process.execPath, args, { stdio: 'inherit' })

  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => {
    // In a terminal, Ctrl-C also reaches the demo.
    if (signal === 'SIGINT' && process.stdin.isTTY) return
    child.kill(signal)
  }
  process.on('SIGINT', forward)
  process.on('SIGTERM', forward)

  child.on('exit', (code, signal) => {
    process.off('SIGINT', forward)
    process.off('SIGTERM', forward)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code ?? 1
  })
}
