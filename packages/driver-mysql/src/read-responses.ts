import type { Command, Core, Packet } from './internals.ts'

// The first byte of a packet.
const ERROR = 0xff
const EOF = 0xfe
const OK = 0
const MORE_RESULTS = 8 // SERVER_MORE_RESULTS_EXISTS
/** Errors after which the server closes the connection. All of SQLSTATE class 08 count too, such as 1153 and 1053. */
const CLOSING = new Set([
  1927, // ER_CONNECTION_KILLED, of MariaDB
  3169, // ER_SESSION_WAS_KILLED, of MySQL
  4031, // ER_CLIENT_INTERACTION_TIMEOUT, of MySQL
])

/** Is told of the answers on a connection. */
export interface ResponseListener {
  /** Whether packets are dropped from now on. */
  readonly broken: boolean
  /** Returns whether a command is tried again, so that mysql2 must not have this answer. */
  recovers(command: Command, packet: Packet): boolean
  /** The status flags of the session have come. */
  status(flags: number): void
  /** The last packet of an answer has come, and the session is ready. The caller does not have the answer yet. */
  answered(command: Command, failed: boolean): void
  /**
   * mysql2 is done with a command, and the session is in an unknown state: the rest of the answer is still to come, or the
   * server closes the connection. The next command has not been sent.
   */
  broke(command: Command, cause: unknown): void
}

/**
 * Reads where the server's answers end, and the status behind each result. mysql2 tells neither, and ends a statement at the
 * first row that it cannot parse.
 */
export function readResponses(core: Core, listener: ResponseListener): void {
  const { handlePacket } = core
  /** The command whose answer is being read, unless that has ended well. */
  let reading: Command | undefined
  let closing: Error | undefined

  function stop(command: Command): void {
    reading = undefined
    listener.broke(command, closing ?? command._localStreamError)
  }

  function end(command: Command, failed: boolean): void {
    reading = undefined
    listener.answered(command, failed)
  }

  function read(command: Command, packet: Packet): void {
    reading = isStatement(command) ? command : undefined
    const kind = packet.buffer[packet.offset]
    if (kind === ERROR) {
      closing = closingError(packet, core)
      if (closing === undefined) end(command, true)
      else reading = command
    } else if (kind === EOF && packet.end - packet.offset === 5) {
      const flags = packet.eofStatusFlags()
      listener.status(flags)
      // Otherwise it ends the columns of a result.
      if (command.next === command.row && (flags & MORE_RESULTS) === 0) end(command, false)
    } else if (kind === OK && awaitsOk(command)) {
      const flags = okStatusFlags(packet)
      listener.status(flags)
      // A file that could not be loaded is mysql2's own error, and not the server's.
      if ((flags & MORE_RESULTS) === 0 && !command._localStreamError) end(command, false)
    }
  }

  core.handlePacket = (packet) => {
    if (listener.broken) return
    const command = core._command
    if (packet === undefined) {
      // The next command starts: so mysql2 is done with the one before.
      if (reading === undefined || reading === command) handlePacket.call(core)
      else stop(reading)
      return
    }
    // While paused, mysql2 keeps packets, and gives them again later.
    if (command && !core._paused) {
      if (listener.recovers(command, packet)) return
      read(command, packet)
    }
    handlePacket.call(core, packet)
    if (reading !== undefined && core._command !== reading) stop(reading)
  }
}

function isStatement(command: Command): boolean {
  return command.row !== undefined
}

/** Whether an OK packet may come: rows and prepared statements may begin with the same byte. */
function awaitsOk(command: Command): boolean {
  const { next } = command
  return (
    next === command.resultsetHeader ||
    next === command.infileOk ||
    next === command.pingResponse ||
    next === command.resetConnectionResponse
  )
}

/** Behind the number of rows, and the number that was inserted. */
function okStatusFlags({ buffer, offset }: Packet): number {
  const rows = offset + 1
  const inserted = rows + lengthOfNumber(buffer[rows])
  return buffer.readUInt16LE(inserted + lengthOfNumber(buffer[inserted]))
}

/** Of a length-encoded number, by its first byte. */
function lengthOfNumber(first = 0): number {
  return { 0xfc: 3, 0xfd: 4, 0xfe: 9 }[first] ?? 1
}

function closingError(packet: Packet, core: Core): Error | undefined {
  const { buffer, offset } = packet
  // The number of the error, a `#`, and the first two of the five characters of its SQLSTATE.
  const isClosing =
    CLOSING.has(buffer.readUInt16LE(offset + 1)) ||
    buffer.toString('latin1', offset + 3, offset + 6) === '#08'
  if (!isClosing) return undefined
  const error = packet.asError(core.clientEncoding)
  packet.offset = offset
  return error
}
