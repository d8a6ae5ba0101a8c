// Helpers for the hooks and methods of drivers. The pool itself uses few of them.
export {
  anAbortSignal,
  checkOptions,
  isPlainObject,
  kindOf,
  oneOf,
  show,
  trueOrFalse,
  wholeFrom,
} from '../tools/rules.ts'
export type { Rule, Rules } from '../tools/rules.ts'
export { isUrl, refusePoolOptions } from './check-connection.ts'
export { isCertificateError } from './certificates.ts'
export { discardLease } from './discard-lease.ts'
export { hideSecrets } from './hide-secrets.ts'
export { keepListener, keepListeners, keepsListeners, removeOtherListeners } from './listeners.ts'
export type { KeptListeners } from './listeners.ts'
export { openUntilAborted } from './open-until-aborted.ts'
export { copyError, Outage } from './outage.ts'
export { watchPendingAnswers } from './pending-answers.ts'
export type { PendingAnswers } from './pending-answers.ts'
