import {
  type Attributes,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
} from '@opentelemetry/api'
import type { AcquireMessage, CreateMessage } from '@forksafe/core'
import { errorType, POOL_NAME } from './attributes.ts'
import { listen } from './listen.ts'

/** Starts a span for each acquire that waited and for each create, when it has ended. Returns a function that ends this. */
export function tracePools(tracer: Tracer): () => void {
  const ends = [
    listen('forksafe:acquire', (message) => {
      if (message.waited) record(tracer, 'acquire', message)
    }),
    listen('forksafe:create', (message) => record(tracer, 'create', message)),
  ]
  return () => {
    for (const end of ends) end()
  }
}

/** The message arrives in the async context of the caller, whose span is the parent. */
function record(
  tracer: Tracer,
  what: 'acquire' | 'create',
  message: AcquireMessage | CreateMessage,
): void {
  const { pool, driver, durationMillis, generation, id, error } = message
  const end = Date.now()
  const attributes: Attributes = { [POOL_NAME]: pool, 'forksafe.driver': driver }
  if (error === undefined && id !== undefined) attributes['forksafe.resource.id'] = id
  if (generation !== undefined) attributes['forksafe.generation'] = generation
  const span = tracer.startSpan(
    `forksafe.${what}`,
    { kind: SpanKind.INTERNAL, startTime: end - durationMillis, attributes },
    context.active(),
  )
  if (error !== undefined) fail(span, error)
  span.end(end)
}

/** The message of an error may contain an address, but no secret: a pool's errors show none. */
function fail(span: Span, error: unknown): void {
  span.setAttribute('error.type', errorType(error))
  const { message } = Object(error) as { readonly message?: unknown }
  span.setStatus({
    code: SpanStatusCode.ERROR,
    ...(typeof message === 'string' ? { message } : {}),
  })
}
