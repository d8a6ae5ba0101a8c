export { conformance } from './conformance/conformance.ts'
export type { Conformance, ConformanceCheck } from './conformance/conformance.ts'
export type { Capability, ConformanceAddress, ConformanceOptions } from './conformance/options.ts'
export { testDriver } from './conformance/test-driver.ts'
export {
  ChildExitError,
  ChildTimeoutError,
  ChildWorkError,
  ForkUnsupportedError,
  TestkitError,
} from './errors.ts'
export { fork, inChild } from './fork.ts'
export type { ForkOptions } from './fork.ts'
export type { ForkedChild } from './forked-child.ts'
export { startRecordingProxy } from './proxy.ts'
export type { RecordingProxy } from './proxy.ts'
export type {
  Direction,
  FaultScope,
  ProxyConnection,
  ProxyRecord,
  ProxyTarget,
} from './proxy-protocol.ts'
export { forkSupported } from './support.ts'
export type { ForkSupport } from './support.ts'
