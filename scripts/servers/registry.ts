import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { privateFolder } from './folder.ts'
import { PrivateServer, type Program } from './private-server.ts'

/** An npm registry on 127.0.0.1 that holds nothing yet and asks no other. It ends, and its folder goes, with this process. */
export interface Registry extends AsyncDisposable {
  readonly url: string
  stop(): Promise<void>
}

const require = createRequire(import.meta.url)

export async function startRegistry(): Promise<Registry> {
  return await new PrivateRegistry(privateFolder('forksafe-registry-', {}), {}).create()
}

class PrivateRegistry extends PrivateServer implements Registry {
  readonly #configuration = join(this.folder, 'config.yaml')

  get url(): string {
    return `http://${this.host}:${this.port}/`
  }

  protected override async prepare(): Promise<void> {
    const everyone = { access: '$all', publish: '$all' }
    const configuration = {
      storage: join(this.folder, 'storage'),
      auth: { htpasswd: { file: join(this.folder, 'htpasswd'), max_users: -1 } },
      uplinks: {},
      packages: { '@forksafe/*': everyone },
      log: { type: 'stdout', format: 'pretty', level: 'warn' },
    }
    // JSON is YAML too.
    writeFileSync(this.#configuration, JSON.stringify(configuration))
  }

  protected override program(): Program {
    const verdaccio = join(dirname(require.resolve('verdaccio/package.json')), 'bin/verdaccio')
    const address = `${this.host}:${this.port}`
    return {
      name: 'The registry',
      command: process.execPath,
      args: [verdaccio, '--config', this.#configuration, '--listen', address],
      isReady: (log) => log.includes(`http://${address}`),
    }
  }
}
