/** A valid HTTP header name: a token of RFC 9110. */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
