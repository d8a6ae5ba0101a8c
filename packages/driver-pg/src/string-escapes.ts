import type { Client } from 'pg'

interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

const escaping = new WeakMap<Client, boolean>()

/** Remembers whether a backslash escapes in every string of a session. The server reports it. Call before the client connects. */
export function trackStringEscapes(client: Client): void {
  client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    if (parameterName === 'standard_conforming_strings') {
      escaping.set(client, parameterValue === 'off')
    }
  })
}

/** Returns `undefined` if neither the server nor a pooler has reported it. */
export function backslashEscapesIn(client: Client): boolean | undefined {
  return escaping.get(client)
}
