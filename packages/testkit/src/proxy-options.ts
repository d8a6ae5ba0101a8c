import { oneOf, optional, type Rules } from './options.ts'

/** A Unix socket to listen on. */
export const aPath = optional(
  'a string that is not empty',
  (value) => typeof value === 'string' && value !== '',
)
/** A place in the record. */
export const aMark = optional(
  'what `mark` gave',
  (value) => Number.isInteger(value) && Number(value) >= 0,
)
export const aConnection = optional(
  'a number of a connection, from 1',
  (value) => Number.isInteger(value) && Number(value) >= 1,
)
/** Which bytes a fault meets. */
export const directed: Rules = {
  connection: aConnection,
  direction: oneOf('fromClient', 'fromServer'),
}
