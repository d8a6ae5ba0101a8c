import type { CreateFailure, Driver } from '@forksafe/core'
import {
  check,
  checkOptions,
  isFunction,
  isRecord,
  optional,
  required,
  type Rule,
  show,
  target,
} from '../options.ts'
import type { ProxyTarget } from '../proxy-protocol.ts'

/**
 * A capability that may be missing for a reason.
 *
 * The hooks of the driver, where `ref` includes `unref`; `share`: the driver's `share` accepts resources; `server`: a resource is a connection to a server; `handshake`: `create`
 * waits for an answer of the server; `goodbye`: a polite end sends something; `fork`: the process can be forked.
 */
export type Capability =
  | 'validate'
  | 'reset'
  | 'watch'
  | 'classify'
  | 'ref'
  | 'share'
  | 'server'
  | 'handshake'
  | 'goodbye'
  | 'fork'

/** The address of the recording proxy in front of the server. */
export interface ConformanceAddress {
  /** The host: 127.0.0.1. */
  readonly host: string
  /** The port; 0 if there is a `path`, or no server. */
  readonly port: number
  /** The Unix socket, if the server listens on one. */
  readonly path: string | undefined
}

/** Options of the conformance suite. */
export interface ConformanceOptions<R extends object, C> {
  /** The suite's name, such as `'redis over TLS'`. Default: the driver's name. */
  readonly name?: string | undefined
  /**
   * The address of the server, which must run in another process, because the suite forks this one. The suite starts a recording proxy
   * in front of it. May be omitted with a reason in `without.server`, for resources that are no connections: worker threads, handles,
   * processes at the end of a pipe.
   */
  readonly server?: ProxyTarget | undefined
  /**
   * Returns the argument of the driver's `create` for a connection through the proxy at `at`. May be omitted without a `server`;
   * `create` then receives `undefined`.
   */
  readonly connection?: ((at: ConformanceAddress) => C) | undefined
  /**
   * Makes the server, or whatever the resource is, return `text`, in one round trip, and returns its answer unchanged. The text
   * consists of letters, digits and hyphens, and is different each time.
   */
  readonly echo: (resource: R, text: string) => string | Promise<string>
  /**
   * A change that a holder leaves in its session, and that `reset` must ask the server to remove. `echo` is not called while it is
   * there.
   */
  readonly session?:
    | {
        /** Makes the change. */
        readonly leave: (resource: R) => unknown
        /** Returns whether the change is still there. */
        readonly left: (resource: R) => boolean | Promise<boolean>
      }
    | undefined
  /** Connections that the server refuses, by a description of the failure, and the kind that `classify` returns for each. */
  readonly failures?:
    | Readonly<
        Record<
          string,
          {
            readonly kind: CreateFailure
            readonly connection: (at: ConformanceAddress) => C
          }
        >
      >
    | undefined
  /**
   * Returns whether these bytes, which are everything that `destroy` sent before its FIN, end a session politely. Default: any
   * bytes do. Omit it over TLS, where the bytes cannot be read.
   */
  readonly goodbye?: ((bytes: Buffer) => boolean) | undefined
  /** Makes the server end a resource, as an operator would, to check that `watch` reports it and `validate` refuses it. */
  readonly kill?: ((resource: R) => unknown) | undefined
  /** Makes the server announce that it will end a resource, to check that `watch` retires it. */
  readonly announce?: ((resource: R) => unknown) | undefined
  /** The reason why a capability is missing. Its checks are skipped with this reason; without one they fail. */
  readonly without?: Readonly<Partial<Record<Capability, string>>> | undefined
  /** How long the suite waits for anything to happen, in milliseconds. Above 0; default 10,000. */
  readonly timeoutMillis?: number | undefined
}

/** A driver and its options, of any types. */
export type AnyDriver = Driver<object, unknown, object>
export type AnyOptions = ConformanceOptions<object, unknown> & {
  readonly name: string
  readonly timeoutMillis: number
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''

const capabilities: Readonly<Record<Capability, true>> = {
  validate: true,
  reset: true,
  watch: true,
  classify: true,
  ref: true,
  share: true,
  server: true,
  handshake: true,
  goodbye: true,
  fork: true,
}
const kinds: Readonly<Record<CreateFailure, true>> = {
  transient: true,
  fatal: true,
  full: true,
  single: true,
}

const rules: Readonly<Record<keyof ConformanceOptions<object, unknown>, Rule>> = {
  name: optional('a string of at least one character', isText),
  server: optional(target.expected, target.accepts),
  connection: optional('a function of the address of the proxy', isFunction),
  echo: required('a function of a resource and a text', isFunction),
  session: optional('two functions { leave, left }', (value) => {
    return isRecord(value) && isFunction(value['leave']) && isFunction(value['left'])
  }),
  failures: optional(
    `an object with a { kind, connection } for each failure, the kind one of ${Object.keys(kinds).join(', ')}`,
    (value) => isRecord(value) && Object.values(value).every(isFailure),
  ),
  goodbye: optional('a function of what was written', isFunction),
  kill: optional('a function of a resource', isFunction),
  announce: optional('a function of a resource', isFunction),
  without: optional(
    `an object with a reason, in words, for each missing capability of ${Object.keys(capabilities).join(', ')}`,
    (value) =>
      isRecord(value) &&
      Object.entries(value).every(
        ([name, reason]) => Object.hasOwn(capabilities, name) && isText(reason),
      ),
  ),
  timeoutMillis: optional(
    'a number above 0',
    (value) => typeof value === 'number' && value > 0 && value < Infinity,
  ),
}

function isFailure(value: unknown): boolean {
  return (
    isRecord(value) &&
    isFunction(value['connection']) &&
    Object.hasOwn(kinds, String(value['kind']))
  )
}

/**
 * Checks the arguments of the suite, and adds the defaults.
 * @throws {TypeError} for an invalid driver, and for a wrong, missing or unknown option.
 */
export function parse(
  driver: unknown,
  options: unknown,
): { driver: AnyDriver; options: AnyOptions } {
  const checked = parseDriver(driver)
  const where = `Conformance of driver "${checked.name}"`
  checkOptions(where, options, rules)
  const given = options as ConformanceOptions<object, unknown>
  for (const name of ['validate', 'reset', 'watch', 'classify'] as const) {
    if (given.without?.[name] === undefined || checked[name] === undefined) continue
    throw new TypeError(
      `${where}: expected no reason in \`without.${name}\`, because the driver has this hook; ` +
        `got ${show(given.without[name])}.`,
    )
  }
  checkServer(where, given)
  return {
    driver: checked,
    options: { timeoutMillis: 10_000, ...given, name: given.name ?? checked.name } as AnyOptions,
  }
}

/** @throws {TypeError} if there is neither a server nor a reason, or both; and for a server without a `connection`. */
function checkServer(where: string, options: ConformanceOptions<object, unknown>): void {
  const { server, connection } = options
  const reason = options.without?.server
  if (server === undefined) {
    if (reason !== undefined) return
    throw new TypeError(
      `${where}: expected \`server\` to be ${target.expected}, got undefined. ` +
        "If a resource is not a connection, give a reason: `without: { server: '…' }`.",
    )
  }
  if (reason !== undefined) {
    throw new TypeError(
      `${where}: expected no reason in \`without.server\`, because there is a \`server\`; got ${show(reason)}.`,
    )
  }
  check(where, 'connection', connection, rules.connection)
}

function parseDriver(driver: unknown): AnyDriver {
  const shape = isRecord(driver) ? driver : {}
  const lacks = ['create', 'destroy', 'discard'].filter((hook) => !isFunction(shape[hook]))
  if (isText(shape['name']) && lacks.length === 0) return driver as AnyDriver
  throw new TypeError(
    `Expected a driver with \`name\`, \`create\`, \`destroy\` and \`discard\`, got ${
      isRecord(driver)
        ? `one without ${[...(isText(shape['name']) ? [] : ['name']), ...lacks].join(', ')}`
        : show(driver)
    }.`,
  )
}
