import { type Routine, firstUserOid } from './catalog.ts';

/** free: PostgreSQL's own and harmless. effect: harmless, but its arguments leave a trace. administer: shows what others do. execute: a rule must permit it. */
export type FunctionKind = 'free' | 'effect' | 'administer' | 'execute';

// Stable by their label, and yet they run SQL that is not in the tree.
const runsSql =
  /^(query|table|cursor|schema|database)_to_xml|^ts_stat$|^ts_rewrite$|^dblink|^lo_|^pg_read_|^pg_ls_|^pg_stat_file$|^pg_logical_|^currtid|^set_config$|^pg_notify$|^pg_(terminate|cancel)_backend$|^binary_upgrade_|^crosstab|^xpath_table$|^connectby$/;

const showsOthers =
  /^pg_stat_get_activity$|^pg_stat_get_backend_activity$|^pg_hba_file_rules$|^pg_ident_file_mappings$|^pg_show_all_file_settings$|^pg_prepared_statement$|^pg_stat_get_wal_senders$|^pg_stat_get_wal_receiver$|^pg_stat_get_subscription$|^pg_stat_statements/;

const harmless =
  /^(bernoulli|system|random|random_normal|setseed|gen_random_uuid|uuidv[47]|clock_timestamp|timeofday|nextval|currval|lastval|pg_(try_)?advisory_.*|pg_sleep(_for|_until)?|txid_.*|pg_current_xact_id(_if_assigned)?|pg_current_snapshot|pg_xact_status|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_isolation_test_session_is_blocked|pg_is_in_recovery|pg_is_wal_replay_paused|pg_get_wal_replay_pause_state|pg_(current|last)_.*(lsn|timestamp)|pg_wal_lsn_diff|pg_(relation|table|indexes|total_relation|database|tablespace)_size|pg_stat_get_.*|pg_lock_status|pg_cursor|pg_export_snapshot|pg_get_replication_slots|pg_show_replication_origin_status|pg_timezone_(names|abbrevs.*)|pg_available_extension(s|_versions)|pg_get_shmem_allocations|pg_postmaster_start_time|pg_conf_load_time|pg_xact_commit_timestamp|pg_get_multixact_members|pg_get_backend_memory_contexts|pg_get_publication_tables|pg_get_sequence_data|pg_sequence_last_value|pg_listening_channels|pg_notification_queue_usage|pg_partition_(tree|ancestors)|pg_get_aios|pg_show_all_settings|pg_input_error_info)$/;

/** What calling a function asks for; the lists follow PostgreSQL 15 to 18. */
export function functionKind(routine: Routine): FunctionKind {
  if (routine.oid >= firstUserOid) return 'execute';
  if (showsOthers.test(routine.name)) return 'administer';
  // ts_rewrite(tsquery, tsquery, tsquery) is immutable; the two others run a query.
  if (runsSql.test(routine.name) && !(routine.name === 'ts_rewrite' && routine.volatility === 'i'))
    return 'execute';
  if (routine.volatility === 'i' || routine.volatility === 's') return 'free';
  return harmless.test(routine.name) ? 'effect' : 'execute';
}

const othersValues =
  /^pg_(statistic|statistic_ext_data|stats|stats_ext|stats_ext_exprs|stat_activity|authid|shadow|user_mappings?|largeobject|subscription|hba_file_rules|ident_file_mappings|file_settings|prepared_statements|stat_replication|stat_wal_receiver|stat_subscription)$|^_?pg_user_mappings$|^user_mapping_options$/;

/** True for a relation of PostgreSQL's own that holds values or secrets of others. */
export function holdsOthersValues(schema: string, name: string): boolean {
  if (schema === 'pg_toast' || name.startsWith('pg_stat_statements')) return true;
  return (schema === 'pg_catalog' || schema === 'information_schema') && othersValues.test(name);
}
