import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ChannelMessages } from '@forksafe/core'

/** Calls `listener` with each message of a channel. Returns a function that ends this. */
export function listen<C extends keyof ChannelMessages>(
  channel: C,
  listener: (message: ChannelMessages[C]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as ChannelMessages[C])
  subscribe(channel, onMessage)
  return () => void unsubscribe(channel, onMessage)
}
