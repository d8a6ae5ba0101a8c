// Loaded after the start, with a core of its own: no add-on can be written into a snapshot.
import { inChild } from '@forksafe/testkit'

export { inChild }
export interface ForkKit {
  inChild: typeof inChild
}
