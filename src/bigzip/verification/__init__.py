"""A strict check of a whole archive: each byte accounted for, each field compared, all data decoded.

A walk from the first byte goes in step with the central directory, so that what a reader of the directory sees
and what a reader of the stream sees are proved to be the same. The modules, in the order in which a file meets them:

    verifier            `verify`: puts the others together
    window              buffered reading
    end_record_search   where the archive ends
    end_records         the records after the central directory, and where that is
    central_directory   its headers, one by one
    entry_rules, extras, names, zip64   rules for one central header
    walk                local headers, data and data descriptors, and that nothing lies between
    local_rules, data, descriptor_rules, links   rules for these
    collisions          names that meet
    findings, report    what was found

The rules are those that the writer keeps, stricter than APPNOTE where readers are.
"""

from bigzip.verification.report import CouldNotVerify, Problem, ProblemKind, Report
from bigzip.verification.verifier import verify

__all__ = ["CouldNotVerify", "Problem", "ProblemKind", "Report", "verify"]
