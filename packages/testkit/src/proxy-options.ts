import { oneOf, optional } from './options.ts'

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
export const aDirection = oneOf('fromClient', 'fromServer')
