/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiler: the only place that names GNU extensions.
 */
#ifndef ENN_BASE_COMPILER_H
#define ENN_BASE_COMPILER_H

#include "ennead/error.h"

#define ENN_LIKELY(x)		  __builtin_expect(!!(x), 1)
#define ENN_UNLIKELY(x)		  __builtin_expect(!!(x), 0)
#define ENN_UNUSED		  __attribute__((unused))
#define ENN_PRINTF(string, first) __attribute__((format(printf, string, first)))
#define ENN_ARRAY_LEN(a)	  (sizeof(a) / sizeof((a)[0]))

/* Returns the status of an expression from the enclosing function unless it is ENN_OK. The only
 * macro of the house with control flow in it. */
#define ENN_TRY(expr)                                                                              \
	do {                                                                                       \
		enum enn_status enn_try_status_ = (expr);                                          \
		if (enn_try_status_ != ENN_OK) {                                                   \
			return enn_try_status_;                                                    \
		}                                                                                  \
	} while (0)

#endif
