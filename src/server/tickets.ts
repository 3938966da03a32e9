// A link that works once, for a short time: what a browser opens or downloads by itself cannot send the token along.

export interface Tickets<T> {
  /** A new ticket for something. */
  readonly issue: (what: T) => string
  /** What a ticket was for; undefined when it is unknown, used or old. */
  readonly redeem: (ticket: string) => T | undefined
}

export interface TicketOptions {
  readonly random: () => string
  readonly now?: () => number
  readonly lifeMs?: number
}

/** Keeps tickets in memory. */
export function makeTickets<T>({ random, now = Date.now, lifeMs = 60_000 }: TicketOptions): Tickets<T> {
  const open = new Map<string, { readonly what: T; readonly until: number }>()
  return {
    issue(what) {
      for (const [ticket, { until }] of open) if (until < now()) open.delete(ticket)
      const ticket = random()
      open.set(ticket, { what, until: now() + lifeMs })
      return ticket
    },
    redeem(ticket) {
      const entry = open.get(ticket)
      open.delete(ticket)
      return entry !== undefined && entry.until >= now() ? entry.what : undefined
    },
  }
}
