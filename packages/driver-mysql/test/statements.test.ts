import mysql from 'mysql2'
import { describe, expect, test } from 'vitest'
import { bringsSql, effectOf, mayMove, takesRole } from '../src/statements.ts'

describe('what a statement leaves in its session', () => {
  test.each([
    'SELECT 1',
    '  select * from t where a = ? for update;',
    '(SELECT 1) UNION (SELECT 2)',
    'WITH t AS (SELECT 1) SELECT * FROM t',
    'INSERT INTO t VALUES (?) /* traced */',
    'SELECT @@version, @@session.sql_mode',
    'SAVEPOINT a',
    'ROLLBACK TO SAVEPOINT a',
    'RELEASE SAVEPOINT a',
  ])('%s: nothing', (sql) => {
    expect(effectOf(sql)).toBe('none')
  })

  test.each(['BEGIN', 'begin work;', 'START TRANSACTION', 'start transaction read only'])(
    '%s: a transaction',
    (sql) => {
      expect(effectOf(sql)).toBe('begins')
    },
  )

  test.each(['COMMIT', 'rollback;', 'COMMIT WORK'])('%s: none any more, if it succeeds', (sql) => {
    expect(effectOf(sql)).toBe('ends')
  })

  test.each(['SET TRANSACTION READ ONLY', 'set transaction isolation level serializable'])(
    '%s: what the next transaction will be like',
    (sql) => {
      expect(effectOf(sql)).toBe('announces')
    },
  )

  test.each([
    'SET @a = 1',
    'SET SESSION TRANSACTION READ ONLY',
    'SELECT @a := 1',
    'SELECT n INTO @a FROM t',
    "SELECT GET_LOCK('a', 1)",
    "DO get_lock('a', 1)",
    'SELECT 1; SET NAMES latin1',
    'SELECT 1 /*! INTO @a */',
    '/*!50000 SET sql_mode = "" */',
    'LOCK TABLES t READ',
    'CALL p()',
    'COMMIT AND CHAIN',
    'BEGIN NOT ATOMIC SET max_statement_time = 1; END',
    'selected',
    '',
  ])('%s: perhaps something else', (sql) => {
    expect(effectOf(sql)).toBe('leaves')
  })

  test.each([
    ['USE other', true],
    ['SELECT 1; use `other`', true],
    ['DROP DATABASE mine', true],
    ['SET @a = 1', false],
  ])('%s: perhaps another database: %s', (sql, moves) => {
    expect(mayMove(sql)).toBe(moves)
  })

  test.each([
    ['SET ROLE boss', true],
    ['set role none', true],
    ['SET /* traced = 1 */ ROLE boss', true],
    ['SELECT 1; SET ROLE boss', true],
    ["PREPARE p FROM 'SET ROLE boss'", true],
    ['UPDATE users SET role = @role', false],
    ['SET @a = 1', false],
    // Of the account, from its next login on.
    ['SET DEFAULT ROLE boss', false],
  ])('%s: another role: %s', (sql, takes) => {
    expect(takesRole(sql)).toBe(takes)
  })

  test.each([
    [[1, 'a', null, undefined, new Date(0), Buffer.from('a')], false],
    [{ a: 1 }, false],
    [undefined, false],
    [mysql.raw('NOW()'), true],
    [[mysql.raw('NOW()')], true],
    [[[1, [mysql.raw('NOW()')]]], true],
    [{ a: mysql.raw('NOW()') }, true],
    [[{ a: mysql.raw('NOW()') }], true],
  ])('the values %j bring SQL of their own: %s', (values, brings) => {
    expect(bringsSql(values)).toBe(brings)
  })
})
