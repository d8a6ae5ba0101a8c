import { writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { ChildWorkError } from './errors.ts'

/** The result of a child's work, sent once. */
export type Answer = { ok: true; value: unknown } | { ok: false; error: PackedError }

/** An error as it crosses the pipe. v8.serialize would lose its name and code. */
interface PackedError {
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly code: string | number | undefined
  readonly cause: PackedError | undefined
}

const LENGTH_BYTES = 4
/** The causes of an error may be circular. */
const MAX_CAUSES = 8

/**
 * Writes the answer after its length: the end of the pipe cannot mark its end, because a grandchild may keep the pipe open.
 * Blocks until the parent has read it.
 */
export function writeAnswer(fd: number, answer: Answer): void {
  const body = encode(answer)
  const frame = Buffer.alloc(LENGTH_BYTES + body.length)
  frame.writeUInt32LE(body.length)
  body.copy(frame, LENGTH_BYTES)
  for (let sent = 0; sent < frame.length;) sent += writeSync(fd, frame, sent)
}

function encode(answer: Answer): Buffer {
  try {
    return serialize(answer)
  } catch (error) {
    // The result contains something that cannot be serialised, such as a function.
    return serialize({ ok: false, error: packError(error) } satisfies Answer)
  }
}

/** Reads a child's answer from the chunks that the pipe delivers. */
export class AnswerReader {
  readonly #chunks: Buffer[] = []
  #length = 0
  #answer: Answer | undefined

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  get receivedBytes(): number {
    return this.#length
  }

  /** Returns the answer, or `undefined` until it is complete. */
  read(): Answer | undefined {
    if (this.#answer !== undefined || this.#length < LENGTH_BYTES) return this.#answer
    const received = Buffer.concat(this.#chunks)
    const end = LENGTH_BYTES + received.readUInt32LE()
    if (received.length >= end) {
      this.#answer = deserialize(received.subarray(LENGTH_BYTES, end)) as Answer
    }
    return this.#answer
  }
}

export function packError(thrown: unknown, depth = 0): PackedError {
  if (!(thrown instanceof Error)) {
    const message = `Expected an Error to be thrown, got ${inspect(thrown)}.`
    return { name: 'Error', message, stack: message, code: undefined, cause: undefined }
  }
  const code = 'code' in thrown ? thrown.code : undefined
  return {
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack ?? `${thrown.name}: ${thrown.message}`,
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    cause:
      thrown.cause === undefined || depth === MAX_CAUSES
        ? undefined
        : packError(thrown.cause, depth + 1),
  }
}

export function unpackError(childPid: number, error: PackedError): ChildWorkError {
  if (error.cause === undefined) return new ChildWorkError(childPid, error)
  return new ChildWorkError(childPid, error, { cause: unpackError(childPid, error.cause) })
}
