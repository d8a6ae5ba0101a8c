/** Which statements share a connection. */
export type ShareMode = 'reads' | 'statements'

/** The rule of the option `share`. */
export const aShareMode = {
  expected: "'reads', 'statements' or false",
  accepts: (value: unknown): boolean =>
    value === 'reads' || value === 'statements' || value === false,
}
