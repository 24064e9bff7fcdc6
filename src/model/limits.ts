const KiB = 1024;
const MiB = 1024 * KiB;

/** Limits on what others can make us hold, read or wait for. Sizes in bytes, times in milliseconds. */
export const LIMITS = {
  manifest: 4 * MiB,
  /** An image index that lists referrers, and each page of the referrers API. */
  referrersPage: 8 * MiB,
  referrersPages: 200,
  referrers: 50_000,
  /** Signatures of one image and place that are fetched and checked. */
  signatures: 1000,
  payload: 1 * MiB,
  bundle: 4 * MiB,
  /** One OpenPGP message, and what it holds compressed. */
  openpgpMessage: 4 * MiB,
  /** One RFC 3161 token or response, its certificates inside. */
  timestamp: 256 * KiB,
  /** Time stamps of one signature. */
  timestamps: 32,
  /** A Markdown summary: what GitHub shows of one step. */
  summary: 1 * MiB,
  errorBody: 64 * KiB,
  token: 1 * MiB,
  tags: 100_000,
  tagPages: 10_000,
  keyFile: 64 * KiB,
  certificateFile: 4 * MiB,
  passphrase: 4 * KiB,
  configFile: 4 * MiB,
  certificates: 64,
  pathDepth: 10,
  pathAttempts: 256,
  /** A certificate revocation list; decoded it takes many times as much. */
  crl: 8 * MiB,
  ocspResponse: 64 * KiB,
  policy: 1 * MiB,
  policyStatements: 1000,
  /** Files of one trust store. */
  storeFiles: 256,
  indexDepth: 4,
  indexChildren: 1000,
  /** Layers of one manifest. */
  layers: 10_000,
  /** Blobs of a layout folder that are looked into for manifests that its index does not name. */
  layoutBlobs: 10_000,
  /** Bytes a second that a large transfer makes at least. */
  slowest: 16 * KiB,
  /** Attachments of one image that are copied, those of attachments included. */
  attachments: 10_000,
  /** Attachments on attachments: a signature of an SBOM of an image is two. */
  attachmentDepth: 8,
  attempts: 5,
  requestTimeout: 30_000,
  connectTimeout: 10_000,
  retryAfter: 60_000,
  /** How far a new time stamp may be from this machine's clock. */
  clockSkew: 300_000,
  redirects: 5,
} as const;
