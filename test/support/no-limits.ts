/** Tests, benches and drills ask faster than people do. */
export const noRateLimits = {
  RATE_LIMIT_MAX_REQUESTS: '1000000',
  RATE_LIMIT_VISITOR_REQUESTS: '1000000',
  RATE_LIMIT_SESSION_REQUESTS: '1000000',
};
