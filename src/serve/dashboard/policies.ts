/** What the pages may do: their own files, their own server, and the microphone if the user agrees. */
const COMMON = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'microphone=(self), camera=(), geolocation=(), payment=(), usb=()',
} as const;

export const PAGE_HEADERS = {
  ...COMMON,
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': [
    "default-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
  ].join('; '),
} as const;

/** A report is one page of text and drawings with its styles inside: it may run nothing and ask for nothing. */
export const REPORT_HEADERS = {
  ...COMMON,
  'cache-control': 'no-cache, private',
  'content-security-policy': [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
    'sandbox',
  ].join('; '),
} as const;
