import type { Redis } from 'ioredis'
import { expectTypeOf, test } from 'vitest'
import type { RedisMethods } from '../src/index.ts'

declare const pool: RedisMethods

test('methods have the types of ioredis', () => {
  expectTypeOf<RedisMethods['get']>().toEqualTypeOf<Redis['get']>()
  expectTypeOf(pool.get('a')).toEqualTypeOf<Promise<string | null>>()
  expectTypeOf(pool.mgetBuffer('a', 'b')).toEqualTypeOf<Promise<(Buffer | null)[]>>()
  expectTypeOf(pool.set('a', 1, 'EX', 60, 'NX')).toEqualTypeOf<Promise<'OK' | null>>()
})

test('commands that need a connection of their own are not methods', () => {
  type Own = 'multi' | 'watch' | 'blpop' | 'blpopBuffer' | 'xread' | 'subscribe' | 'client' | 'call'
  expectTypeOf<Extract<keyof RedisMethods, Own>>().toEqualTypeOf<never>()
})
