import { EventEmitter } from 'node:events'
import Pool from 'pg-pool'
import { type Peer, type Resource, useOf } from './peer.ts'

/** An object that pg-pool accepts as a connected pg client. */
class FakeClient extends EventEmitter implements Resource {
  uses = 0
  // pg-pool reads both.
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
    // pg-pool calls `new Client(options)`. A function may return another object from that.
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
