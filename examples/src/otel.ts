import { instrumentPools } from '@forksafe/otel'

// After the SDK has started. Pass `meterProvider` and `tracerProvider` if they are not the global ones.
export const instrumentation = instrumentPools()
