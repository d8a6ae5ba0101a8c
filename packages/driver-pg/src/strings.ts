import type { Client } from 'pg'

interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

const escaping = new WeakMap<Client, boolean>()

/** Remembers whether a backslash escapes in every string of a session, which the server reports. Call before it connects. */
export function noticeStrings(client: Client): void {
  client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    if (parameterName === 'standard_conforming_strings') {
      escaping.set(client, parameterValue === 'off')
    }
  })
}

/** `undefined` if the server, or a pooler before it, did not say. */
export function escapesInStrings(client: Client): boolean | undefined {
  return escaping.get(client)
}
