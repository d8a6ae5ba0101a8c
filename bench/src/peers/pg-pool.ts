import { EventEmitter } from 'node:events'
import Pool from 'pg-pool'
import { type Peer, type Resource, useOf } from './peer.ts'

/** What pg-pool takes for a client of pg that is connected. */
class FakeClient extends EventEmitter implements Resource {
  uses = 0
  // pg-pool looks at both.
  readonly _queryable = true
  readonly _ending = false

  connect(connected: () => void): void {
    process.nextTick(connected)
  }

  end(ended: () => void): void {
    process.nextTick(ended)
  }

  ref(): void {}
  unref(): void {}
}

type Lent = Awaited<ReturnType<Pool<FakeClient>['connect']>>

export const peer: Peer<FakeClient, Pool<FakeClient>, Lent> = {
  newResource: () => new FakeClient(),
  factory(create) {
    // It calls `new Client(options)`: a function may answer that with an object of its own.
    const Client = function Client() {
      return create()
    } as unknown as new () => FakeClient
    return (max) => new Pool({ max, Client })
  },
  verbs(pool) {
    const acquire = (): Promise<Lent> => pool.connect()
    const release = (client: Lent): void => client.release()
    const resourceOf = (client: Lent): Resource => client
    return {
      acquire,
      release,
      resourceOf,
      use: useOf({ acquire, release, resourceOf }),
      idle: () => pool.idleCount,
      borrowed: () => pool.totalCount - pool.idleCount,
    }
  },
}
