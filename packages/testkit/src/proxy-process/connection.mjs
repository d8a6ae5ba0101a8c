/** @import { Socket } from 'node:net' */
/** @import { Direction } from '../proxy-protocol.ts' */
import { Lane } from './lane.mjs'

/**
 * The faults of all connections, including future ones.
 *
 * @typedef {{ held: Set<Direction>, delayMillis: number }} Faults
 */

/** A connection from a client to the server, with a lane for each direction. */
export class Connection {
  bytesFromClient = 0
  bytesFromServer = 0
  #client
  #server
  #record
  #lanes

  /**
   * @param {object} parts
   * @param {number} parts.id
   * @param {number | undefined} parts.clientPort
   * @param {string | undefined} parts.inode of the client end
   * @param {number | undefined} parts.openedBy
   * @param {Socket} parts.client
   * @param {Socket} parts.server
   * @param {Faults} parts.faults
   * @param {(event: { kind: 'data', direction: Direction, bytes: Buffer }
   *   | { kind: 'end' | 'reset', direction: Direction }) => void} parts.record
   */
  constructor({ id, clientPort, inode, openedBy, client, server, faults, record }) {
    this.id = id
    this.clientPort = clientPort
    this.inode = inode
    this.openedBy = openedBy
    this.#client = client
    this.#server = server
    this.#record = record
    this.#lanes = { fromClient: new Lane(server), fromServer: new Lane(client) }
    for (const direction of faults.held) this.hold(direction, true)
    this.delay(faults.delayMillis)
    this.#join(client, server, 'fromClient')
    this.#join(server, client, 'fromServer')
  }

  get open() {
    return !this.#client.destroyed && !this.#server.destroyed
  }

  /**
   * @param {Direction | undefined} direction both if `undefined`
   * @param {boolean} held
   */
  hold(direction, held) {
    if (direction !== 'fromServer') this.#lanes.fromClient.hold(held)
    if (direction !== 'fromClient') this.#lanes.fromServer.hold(held)
  }

  /** @param {Direction | undefined} direction both if `undefined` */
  flush(direction) {
    if (direction !== 'fromServer') this.#lanes.fromClient.flush()
    if (direction !== 'fromClient') this.#lanes.fromServer.flush()
  }

  /** @param {number} millis */
  delay(millis) {
    this.#lanes.fromClient.delay(millis)
    this.#lanes.fromServer.delay(millis)
  }

  /** @param {'reset' | 'end'} how */
  cut(how) {
    this.#lanes.fromClient.drop()
    this.#lanes.fromServer.drop()
    // A Unix socket has no RST.
    if (how === 'reset' && this.clientPort !== undefined) this.#client.resetAndDestroy()
    else this.#client.destroy()
    this.#server.destroy()
  }

  /**
   * @param {Socket} from
   * @param {Socket} to
   * @param {Direction} direction
   */
  #join(from, to, direction) {
    from.setNoDelay(true)
    // Never paused: held bytes are recorded too.
    from.on('data', (bytes) => {
      if (direction === 'fromClient') this.bytesFromClient += bytes.length
      else this.bytesFromServer += bytes.length
      this.#record({ kind: 'data', direction, bytes })
      this.#lanes[direction].pass(bytes)
    })
    from.on('end', () => {
      this.#record({ kind: 'end', direction })
      this.#lanes[direction].pass(undefined)
    })
    from.on('error', () => {
      // For the other side, any error is a reset. If both sides fail, only the first is recorded.
      if (to.destroyed) return
      this.#record({ kind: 'reset', direction })
      this.cut('reset')
    })
  }
}
