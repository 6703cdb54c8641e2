/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of ennead/privilege.h: its second half.
 */
#ifndef ENN_RUNTIME_PRIVILEGE_H
#define ENN_RUNTIME_PRIVILEGE_H

#include "ennead/privilege.h"

/* Loads the system call filter. Returns 0 or an errno. */
int enn_privilege_filter(void);

#endif
