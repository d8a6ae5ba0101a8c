// @ts-check
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { privateFolder } from '../servers/folder.mjs'
import { freePort } from '../servers/port.mjs'
import { SupervisedServer } from '../servers/supervised.mjs'

const require = createRequire(import.meta.url)

/**
 * An npm registry on 127.0.0.1 that holds nothing yet and asks no other. It ends, and its folder goes, with this process.
 * @returns {Promise<{ url: string, folder: string, stop: () => Promise<void> }>}
 */
export async function startRegistry() {
  const folder = privateFolder('forksafe-registry-', {})
  const server = new SupervisedServer(folder, ['SIGTERM', 'SIGKILL'])
  const address = `127.0.0.1:${await freePort()}`
  const everyone = { access: '$all', publish: '$all' }
  const configuration = {
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: -1 } },
    uplinks: {},
    packages: { '@forksafe/*': everyone },
    log: { type: 'stdout', format: 'pretty', level: 'warn' },
  }
  // YAML too.
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(configuration))
  const verdaccio = join(dirname(require.resolve('verdaccio/package.json')), 'bin/verdaccio')
  server.start({
    command: process.execPath,
    args: [verdaccio, '--config', join(folder, 'config.yaml'), '--listen', address],
    account: {},
    env: process.env,
  })
  const end = await server.ready(() => server.log().includes(`http://${address}`))
  const stop = () => server.end('SIGTERM')
  if (end === undefined) return { url: `http://${address}/`, folder, stop }
  const log = server.log()
  await stop()
  throw new Error(`The registry did not start (${end}):\n${log}`)
}
