import { expectTypeOf, it } from 'vitest'
import { startPostgres, type PostgresServer } from '@forksafe/scripts/postgres'

it('gives the tests of other packages a typed server', () => {
  expectTypeOf(startPostgres).returns.resolves.toEqualTypeOf<PostgresServer>()
  expectTypeOf(startPostgres).parameter(0).not.toBeAny()
  expectTypeOf<PostgresServer['port']>().toEqualTypeOf<number>()
})
