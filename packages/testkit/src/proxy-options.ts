import { oneOf, optional, type Rules } from './options.ts'

/** The path of a Unix socket. */
export const aPath = optional(
  'a non-empty string',
  (value) => typeof value === 'string' && value !== '',
)
/** A position in the record. */
export const aMark = optional(
  'a result of `mark`',
  (value) => Number.isInteger(value) && Number(value) >= 0,
)
export const aConnection = optional(
  'the id of a connection, from 1',
  (value) => Number.isInteger(value) && Number(value) >= 1,
)
/** The options that select which bytes a fault affects. */
export const directed: Rules = {
  connection: aConnection,
  direction: oneOf('fromClient', 'fromServer'),
}
